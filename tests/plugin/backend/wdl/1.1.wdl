version 1.1

workflow w {
  input {
    String who = "Ada"
  }
  call t {
    input:
      who,
  }
  output {
    String said = t.said
  }
}

task t {
  input {
    String who
  }
  command <<<
    echo ~{who}
  >>>
  output {
    String said = read_string(stdout())
  }
}
