version 1.0

import "inner.wdl" as lib

workflow outer {
  scatter (n in range(2)) {
    call lib.inner {
      input:
        n = n
    }
  }
  output {
    Array[String] said = inner.said
  }
}
