version 1.1

task with_gpu {
  input {
    Int count
  }
  command <<<
    echo "$NVIDIA_VISIBLE_DEVICES"
    df -k --output=size /dev/shm | tail -n 1 | tr -d ' '
  >>>
  output {
    Array[String] said = read_lines(stdout())
  }
  runtime {
    acceleratorType: "nvidia-tesla-t4"
    acceleratorCount: count
  }
}
