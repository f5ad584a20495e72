version 1.1

task reclaimed {
  command <<<
    echo done
  >>>
  output {
    String said = read_string(stdout())
  }
  runtime {
    preemptible: 1
  }
}
