version 1.1

workflow slow {
  input {
    Int sleepers = 2
    Int seconds = 300
  }

  scatter (index in range(sleepers)) {
    call sleep_long {
      input:
        index = index,
        seconds = seconds,
    }
  }

  output {
    Array[String] slept = sleep_long.slept
  }
}

task sleep_long {
  input {
    Int index
    Int seconds
  }

  command <<<
    set -euo pipefail
    echo "sleeper ~{index} is asleep" >&2
    sleep ~{seconds}
    echo "sleeper ~{index} woke up"
  >>>

  output {
    String slept = read_string(stdout())
  }

  runtime {
    container: "debian:bookworm-slim"
    cpu: 1
    memory: "128 MiB"
  }
}
