version 1.1

# What `miniwdl-aws-submit --self-test` runs. Each task tries one thing out and says what came of it.

workflow self_test {
  input {
    Array[String] names = ["Ada", "Grace"]
  }
  scatter (name in names) {
    call greet { input: name }
  }
  call gather { input: greetings = greet.greeting }
  call try_twice
  output {
    Array[String] jobs = greet.job
    Array[File] greetings = greet.greeting
    Int gathered = gather.count
    Int tries = try_twice.tries
  }
}

task greet {
  input {
    String name
  }
  command <<<
    set -eu
    printf 'Hello, %s!\n' '~{name}' > greeting.txt
    printf '%s' "${AWS_BATCH_JOB_ID:-}" > job
    echo "task job ${AWS_BATCH_JOB_ID:-} greets ~{name}" >&2
  >>>
  output {
    File greeting = "greeting.txt"
    String job = read_string("job")
  }
}

# Reads what other jobs wrote: they share a file system.
task gather {
  input {
    Array[File] greetings
  }
  command <<<
    set -eu
    cat ~{sep=" " greetings} | grep -c '^Hello, '
  >>>
  output {
    Int count = read_int(stdout())
  }
}

# Fails the first time. What a try leaves outside its own directory, the next one finds.
task try_twice {
  command <<<
    set -eu
    echo tried >> ../self_test_tries
    if [ "$(grep -c tried ../self_test_tries)" -lt 2 ]; then
      echo "the first try fails on purpose" >&2
      exit 1
    fi
    grep -c tried ../self_test_tries
  >>>
  output {
    Int tries = read_int(stdout())
  }
  runtime {
    maxRetries: 1
  }
}
