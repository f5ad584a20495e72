version 1.1

import "inner.wdl" as nested
import "rest.wdl" as lib

workflow campaign {
  input {
    String ledger
    Int width = 4
  }
  scatter (index in range(width)) {
    call lib.rest as wide {
      input: ledger = ledger, call_name = "wide-~{index}", tenths = 4 + index * 2
    }
  }
  call lib.rest as first { input: ledger = ledger, call_name = "first", tenths = 4 }
  call lib.rest as second {
    input: ledger = ledger, call_name = "second", tenths = 4, before = first.letter
  }
  call nested.inner { input: ledger = ledger, before = wide.letter[0] }
  call flaky { input: ledger = ledger }
  call gather { input: ledger = ledger, lines = write_lines(wide.said), last = second.letter }
  output {
    Array[String] said = wide.said
    File letter = second.letter
    String deep = inner.said
    String gathered = gather.said
    String tried = flaky.said
  }
}

task flaky {
  input {
    String ledger
  }
  command <<<
    sleep 0.3
    if [ ! -e "~{ledger}.tried" ]; then touch "~{ledger}.tried"; exit 9; fi
    echo "second time"
    echo "flaky $AWS_BATCH_JOB_ID" >> "~{ledger}"
  >>>
  output {
    String said = read_string(stdout())
  }
  runtime {
    maxRetries: 3
  }
}

task gather {
  input {
    String ledger
    File lines
    File last
  }
  command <<<
    cat "~{lines}" "~{last}" | tr '\n' ' '
    echo "gather $AWS_BATCH_JOB_ID" >> "~{ledger}"
  >>>
  output {
    String said = read_string(stdout())
  }
}
