version 1.1

task t {
  command <<<
    id -g
    touch made
  >>>
  output {
    String said = read_string(stdout())
  }
}
