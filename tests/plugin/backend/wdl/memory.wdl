version 1.1

task t {
  command <<<
    true
  >>>
  runtime {
    cpu: 2
    memory: "3 GiB"
  }
}
