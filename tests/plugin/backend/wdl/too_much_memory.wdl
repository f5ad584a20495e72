version 1.1

task too_much_memory {
  command <<<
    true
  >>>
  runtime {
    memory: "17 GiB"
    maxRetries: 3
  }
}
