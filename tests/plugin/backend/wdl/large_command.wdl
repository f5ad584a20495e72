version 1.1

task t {
  input {
    String big
  }
  command <<<
    cat <<'END' | wc -c
    ~{big}~{big}~{big}~{big}~{big}
    END
  >>>
  output {
    String said = read_string(stdout())
  }
}
