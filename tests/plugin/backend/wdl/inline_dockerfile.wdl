version 1.1

task t {
  command <<<
    true
  >>>
  runtime {
    inlineDockerfile: ["FROM scratch"]
    maxRetries: 2
  }
}
