version development

task t {
  input {
    env String who
  }
  command <<<
    echo "$who $MORE"
    printf %s "$BIG" | wc -c
  >>>
  output {
    Array[String] said = read_lines(stdout())
  }
}
