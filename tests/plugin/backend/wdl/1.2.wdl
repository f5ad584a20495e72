version 1.2

task t {
  command <<<
    echo ~{task.name} ~{task.attempt} ~{task.cpu}
    [ ~{task.attempt} -gt 0 ]
  >>>
  output {
    String said = read_string(stdout())
    Int code = select_first([task.return_code])
  }
  requirements {
    cpu: 2
    max_retries: 1
    container: "ubuntu:22.04"
  }
}
