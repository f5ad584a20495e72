version 1.0

workflow inner {
  input {
    Int n
  }
  call say {
    input:
      n = n
  }
  output {
    String said = say.said
  }
}

task say {
  input {
    Int n
  }
  command <<<
    echo n=~{n}
  >>>
  output {
    String said = read_string(stdout())
  }
}
