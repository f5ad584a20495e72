version 1.1

task pile_up {
  meta {
    description: "Counts, for every base of the reference, what the aligned reads say."
  }

  parameter_meta {
    sample: "Name of the sample: names the file."
    bam: "Sorted alignments."
    bai: "Their index."
    reference: "FASTA of the reference; its first sequence is used."
    min_base_quality: "Bases of a lower Phred quality do not count."
    container: "Image with Python 3."
  }

  input {
    String sample
    File bam
    File bai
    File reference
    Int min_base_quality
    String container
  }

  command <<<
    set -euo pipefail
    python3 -c 'import pysam' 2>/dev/null \
      || python3 -m pip install --quiet --root-user-action=ignore pysam==0.24.1
    python3 - '~{bam}' '~{bai}' '~{reference}' ~{min_base_quality} \
      >'~{sample}.depth.tsv' <<'PY'
    import sys
    from collections import Counter
    import pysam

    bam_path, bai_path, reference_path, min_quality = *sys.argv[1:4], int(sys.argv[4])
    MATCHES, INSERTION, DELETIONS, SOFT_CLIP = {0, 7, 8}, 1, {2, 3}, 4

    with pysam.FastxFile(reference_path) as fasta:
        record = next(iter(fasta))
    reference = record.sequence.upper()
    bases = [Counter() for _ in reference]  # base, or "-" for a deleted one -> reads
    inserted = [Counter() for _ in reference]  # sequence inserted after this base -> reads


    def count(read):
        sequence, qualities = read.query_sequence, read.query_qualities
        at_read, at_reference = 0, read.reference_start
        for operation, length in read.cigartuples:
            if operation in MATCHES:
                for offset in range(length):
                    if qualities[at_read + offset] >= min_quality:
                        bases[at_reference + offset][sequence[at_read + offset]] += 1
                at_read, at_reference = at_read + length, at_reference + length
            elif operation in DELETIONS:
                for offset in range(length):
                    bases[at_reference + offset]["-"] += 1
                at_reference += length
            elif operation == INSERTION:
                inserted[at_reference - 1][sequence[at_read : at_read + length]] += 1
                at_read += length
            elif operation == SOFT_CLIP:
                at_read += length


    with pysam.AlignmentFile(bam_path, index_filename=bai_path) as bam:
        if bam.references[0] != record.name:
            sys.exit(f"{bam_path} is aligned to {bam.references[0]}, not to {record.name}")
        for read in bam.fetch(record.name):
            if not (read.is_unmapped or read.is_secondary or read.is_supplementary):
                count(read)

    print("sequence", "position", "reference", "depth", "A", "C", "G", "T", "deleted",
          "inserted", "insertion", sep="\t")
    for position, base in enumerate(reference, start=1):
        seen = bases[position - 1]
        counts = [seen[letter] for letter in "ACGT-"]
        insertion, reads = max(inserted[position - 1].items(), key=lambda item: (item[1], item[0]),
                               default=(".", 0))
        print(record.name, position, base, sum(counts), *counts, reads, insertion, sep="\t")
    PY
  >>>

  output {
    File depth_table = "~{sample}.depth.tsv"
  }

  runtime {
    container: container
    cpu: 1
    memory: "2 GiB"
    maxRetries: 1
  }
}

task call_consensus {
  meta {
    description: "Takes the majority at every base: differences as VCF, consensus as FASTA."
  }

  parameter_meta {
    sample: "Name of the sample: names the files and the sequence."
    depth_table: "What pile_up counted."
    min_depth: "The consensus is N where fewer bases than this cover the reference."
    container: "Image with Python 3."
  }

  input {
    String sample
    File depth_table
    Int min_depth
    String container
  }

  command <<<
    set -euo pipefail
    python3 - '~{sample}' '~{depth_table}' ~{min_depth} <<'PY'
    import csv
    import sys

    sample, table, min_depth = sys.argv[1], sys.argv[2], int(sys.argv[3])
    with open(table, encoding="ascii", newline="") as rows:
        columns = list(csv.DictReader(rows, delimiter="\t"))
    name, reference = columns[0]["sequence"], "".join(row["reference"] for row in columns)


    def majority(row):
        """The most frequent of A, C, G, T and - (deleted), N where too few reads say anything."""
        if int(row["depth"]) < min_depth:
            return "N", 0
        counts = {base: int(row[base]) for base in "ACGT"} | {"-": int(row["deleted"])}
        best = max(counts, key=lambda base: (counts[base], base == row["reference"]))
        return best, counts[best]


    calls, consensus, deletion = [], [], None
    for index, row in enumerate(columns):
        position, base, depth = index + 1, row["reference"], int(row["depth"])
        called, reads = majority(row)
        if called == "-":
            if deletion is None:
                deletion = [index, depth, reads]
            continue
        if deletion:
            start, deleted_depth, deleted_reads = deletion
            if start == 0:  # nothing stands before it: the record ends with the base after it
                calls.append((1, reference[: index + 1], base, deleted_depth, deleted_reads))
            else:
                calls.append((start, reference[start - 1 : index], reference[start - 1],
                              deleted_depth, deleted_reads))
            deletion = None
        consensus.append(called)
        if called not in ("N", base):
            calls.append((position, base, called, depth, reads))
        if called != "N" and 2 * int(row["inserted"]) > depth:
            consensus.append(row["insertion"])
            calls.append((position, base, base + row["insertion"], depth, int(row["inserted"])))
    if deletion:
        start, deleted_depth, deleted_reads = deletion
        calls.append((max(start, 1), reference[max(start - 1, 0) :], reference[max(start - 1, 0)],
                      deleted_depth, deleted_reads))

    with open(f"{sample}.vcf", "w", encoding="ascii") as out:
        print("##fileformat=VCFv4.2", f"##contig=<ID={name},length={len(reference)}>",
              '##INFO=<ID=DP,Number=1,Type=Integer,Description="Bases counted here">',
              '##INFO=<ID=AF,Number=1,Type=Float,Description="Fraction that says so">',
              "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO", sep="\n", file=out)
        for position, old, new, depth, reads in sorted(calls):
            info = f"DP={depth};AF={reads / depth:.4f}"
            print(name, position, ".", old, new, ".", "PASS", info, sep="\t", file=out)
    sequence = "".join(consensus)
    with open(f"{sample}.fasta", "w", encoding="ascii") as out:
        print(f">{sample}", *(sequence[at : at + 70] for at in range(0, len(sequence), 70)),
              sep="\n", file=out)
    PY
  >>>

  output {
    File consensus_fasta = "~{sample}.fasta"
    File variants_vcf = "~{sample}.vcf"
  }

  runtime {
    container: container
    cpu: 1
    memory: "1 GiB"
    maxRetries: 1
  }
}

task report_assembly {
  meta {
    description: "Sums the assembly up: coverage, identity with the reference, differences by kind."
  }

  parameter_meta {
    sample: "Name of the sample: names the file."
    depth_table: "What pile_up counted."
    variants_vcf: "The differences from the reference."
    consensus_fasta: "The consensus."
    reads_total: "Reads there were."
    reads_aligned: "Reads that align."
    min_depth: "A base of the reference is covered from this depth on."
    container: "Image with Python 3."
  }

  input {
    String sample
    File depth_table
    File variants_vcf
    File consensus_fasta
    Int reads_total
    Int reads_aligned
    Int min_depth
    String container
  }

  command <<<
    set -euo pipefail
    python3 - '~{sample}' '~{depth_table}' '~{variants_vcf}' '~{consensus_fasta}' \
      ~{reads_total} ~{reads_aligned} ~{min_depth} <<'PY'
    import csv
    import json
    import sys

    sample, table, vcf, fasta = sys.argv[1:5]
    reads_total, reads_aligned, min_depth = map(int, sys.argv[5:])
    with open(table, encoding="ascii", newline="") as rows:
        depths = [int(row["depth"]) for row in csv.DictReader(rows, delimiter="\t")]
    with open(vcf, encoding="ascii") as lines:
        records = [line.split("\t") for line in lines if not line.startswith("#")]
    with open(fasta, encoding="ascii") as lines:
        consensus = "".join(line.strip() for line in lines if not line.startswith(">"))

    changes = [(int(record[1]), record[3], record[4]) for record in records]
    substitutions = [change for change in changes if len(change[1]) == len(change[2])]
    insertions = [change for change in changes if len(change[1]) < len(change[2])]
    deletions = [change for change in changes if len(change[1]) > len(change[2])]
    covered = sum(depth >= min_depth for depth in depths)
    deleted = sum(len(old) - len(new) for _, old, new in deletions)
    same = covered - len(substitutions) - deleted
    report = {
        "sample": sample,
        "reference_length": len(depths),
        "consensus_length": len(consensus),
        "ambiguous_bases": consensus.count("N"),
        "reads_total": reads_total,
        "reads_aligned": reads_aligned,
        "min_depth": min_depth,
        "mean_depth": round(sum(depths) / len(depths), 2),
        "covered_fraction": round(covered / len(depths), 4),
        "identity": round(same / covered, 6) if covered else None,
        "substitutions": len(substitutions),
        "insertions": len(insertions),
        "deletions": len(deletions),
        "differences": [
            {"position": position, "reference": old, "sample": new}
            for position, old, new in changes
        ],
    }
    with open(f"{sample}.report.json", "w", encoding="ascii") as out:
        json.dump(report, out, indent=2)
    scalars = {
        "mean_depth": report["mean_depth"],
        "covered_fraction": report["covered_fraction"],
        "substitutions": len(substitutions),
        "indels": len(insertions) + len(deletions),
    }
    for name, value in scalars.items():
        with open(f"{name}.txt", "w", encoding="ascii") as out:
            print(value, file=out)
    PY
  >>>

  output {
    File report_json = "~{sample}.report.json"
    Float mean_depth = read_float("mean_depth.txt")
    Float covered_fraction = read_float("covered_fraction.txt")
    Int substitutions = read_int("substitutions.txt")
    Int indels = read_int("indels.txt")
  }

  runtime {
    container: container
    cpu: 1
    memory: "1 GiB"
    maxRetries: 1
  }
}
