version 1.1

task greet {
  input {
    String name
  }
  command <<<
    echo "Hello, ~{name}!"
  >>>
  output {
    String greeting = read_string(stdout())
  }
  runtime {
    docker: "ubuntu:22.04"
    cpu: 1
    memory: "1 GiB"
  }
}

workflow hello {
  input {
    String name
  }
  call greet {
    input:
      name = name
  }
  output {
    String greeting = greet.greeting
  }
}
