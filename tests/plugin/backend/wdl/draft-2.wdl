task old {
  String who = "you"
  command {
    echo "dear ${who}"
  }
  output {
    String said = read_string(stdout())
  }
}

workflow w {
  call old {
    input:
      who = "draft"
  }
  output {
    String said = old.said
  }
}
