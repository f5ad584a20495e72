version 1.0

struct Name {
  String first
}

workflow w {
  input {
    Name name = object { first: "Ada" }
  }
  scatter (i in [1, 2]) {
    call t {
      input:
        name = name,
        i = i,
    }
  }
  output {
    Array[String] said = t.said
  }
}

task t {
  input {
    Name name
    Int i
  }
  command <<<
    echo ~{name.first} ~{i}
  >>>
  output {
    String said = read_string(stdout())
  }
}
