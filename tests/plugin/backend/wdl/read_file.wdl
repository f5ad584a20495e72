version 1.1

task read_file {
  input {
    File f
  }
  command <<<
    cat "~{f}"
  >>>
  output {
    String said = read_string(stdout())
  }
}
