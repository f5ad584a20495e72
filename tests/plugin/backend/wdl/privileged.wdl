version 1.1

task t {
  command <<<
    true
  >>>
  runtime {
    privileged: true
  }
}
