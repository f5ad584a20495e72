version 1.1

task t {
  command <<<
    exit 3
  >>>
  runtime {
    returnCodes: [0, 3]
  }
}
