version 1.1

task t {
  command <<<
    echo out
    echo err >&2
    if [ ! -e ../again ]; then
      touch ../again first
      exit 5
    fi
  >>>
  output {
    String said = read_string(stdout())
  }
  runtime {
    maxRetries: 1
  }
}
