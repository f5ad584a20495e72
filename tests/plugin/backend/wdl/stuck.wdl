version 1.1

task stuck {
  command <<<
    echo done
  >>>
  output {
    String said = read_string(stdout())
  }
  runtime {
    preemptible: 2
  }
}
