version development

task t {
  command <<<
    printf 'a\tb'
  >>>
  output {
    Array[Array[String]] said = read_tsv(stdout())
  }
}
