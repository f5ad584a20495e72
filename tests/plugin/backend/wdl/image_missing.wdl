version 1.1

task image_missing {
  command <<<
    echo done
  >>>
  output {
    String said = read_string(stdout())
  }
  runtime {
    maxRetries: 3
  }
}
