version 1.1

task t {
  command <<<
    exit 77
  >>>
  runtime {
    returnCodes: "*"
  }
}
