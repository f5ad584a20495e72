version 1.1

task t {
  command <<<
    pwd
  >>>
  output {
    String said = read_string(stdout())
  }
}
