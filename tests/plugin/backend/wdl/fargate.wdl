version 1.1

task t {
  command <<<
    echo "$TOKEN"
  >>>
  output {
    String said = read_string(stdout())
  }
  runtime {
    cpu: 1
    memory: "3 GiB"
  }
}
