version 1.1

task slow_docker {
  command <<<
    echo done
  >>>
  output {
    String said = read_string(stdout())
  }
  runtime {
    preemptible: 0
  }
}
