version 1.1

task t {
  command <<<
    cd "$TMPDIR" && pwd -P && touch here
  >>>
  output {
    String said = read_string(stdout())
  }
}
