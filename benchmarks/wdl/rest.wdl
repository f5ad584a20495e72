version 1.1

task rest {
  input {
    String ledger
    String call_name
    Int tenths
    File? before
  }
  command <<<
    sleep ~{tenths / 10}.~{tenths % 10}
    ~{if defined(before) then "cat '~{before}'" else "true"} > letter.txt
    echo "~{call_name}" >> letter.txt
    tr '\n' ' ' < letter.txt
    echo "~{call_name} $AWS_BATCH_JOB_ID" >> "~{ledger}"
  >>>
  output {
    String said = read_string(stdout())
    File letter = "letter.txt"
  }
}
