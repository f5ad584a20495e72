version 1.1

workflow failing {
  input {
    String complaint
  }

  call complain {
    input:
      complaint = complaint,
  }

  output {
    String never = complain.never
  }
}

task complain {
  input {
    String complaint
  }

  command <<<
    echo "reading the reads" >&2
    echo "~{complaint}" >&2
    exit 7
  >>>

  output {
    String never = read_string(stdout())
  }

  runtime {
    container: "debian:bookworm-slim"
    cpu: 1
    memory: "128 MiB"
    maxRetries: 0
  }
}
