version 1.1

import "rest.wdl" as lib

workflow inner {
  input {
    String ledger
    File before
  }
  call lib.rest as upper {
    input: ledger = ledger, call_name = "upper", tenths = 5, before = before
  }
  call lib.rest as lower {
    input: ledger = ledger, call_name = "lower", tenths = 3, before = upper.letter
  }
  output {
    String said = lower.said
  }
}
