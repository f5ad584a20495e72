version 1.1

task no_place {
  command <<<
    true
  >>>
  runtime {
    cpu: 2
  }
}
