version development

task t {
  input {
    Directory d
  }
  command <<<
    mkdir made
    cp "~{d}/letter.txt" made/copy.txt
  >>>
  output {
    Directory made = "made"
    File copy = "made/copy.txt"
  }
}
