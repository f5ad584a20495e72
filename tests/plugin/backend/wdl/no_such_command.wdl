version 1.1

task t {
  command <<<
    no-such-command --help
  >>>
}
