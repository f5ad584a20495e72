version 1.1

task t {
  command <<<
    echo why >&2
    exit 4
  >>>
  runtime {
    returnCodes: [3]
  }
}
