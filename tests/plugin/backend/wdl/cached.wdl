version 1.1

workflow cached {
  input {
    String who
  }
  call cached_call {
    input:
      who = who,
  }
  output {
    String said = cached_call.said
  }
}

task cached_call {
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
