version 1.1

task t {
  input {
    File f
  }
  command <<<
    echo more >> "~{f}"
    cat "~{f}"
  >>>
  output {
    String said = read_string(stdout())
  }
}
