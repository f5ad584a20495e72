version 1.1

task small_place {
  command <<<
    true
  >>>
}
