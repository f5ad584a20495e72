version 1.1

task hungry {
  command <<<
    echo done
  >>>
  output {
    String said = read_string(stdout())
  }
  runtime {
    memory: "1 GiB"
  }
}
