version 1.1

task t {
  input {
    File f
  }
  command <<<
    readlink "~{f}"
  >>>
  output {
    String said = read_string(stdout())
  }
}
