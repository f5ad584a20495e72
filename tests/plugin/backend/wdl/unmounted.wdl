version 1.1

task unmounted {
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
