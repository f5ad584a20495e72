version 1.1

task split_reads {
  meta {
    description: "Deals the read pairs into chunks of interleaved FASTQ."
  }

  parameter_meta {
    reads: "One unaligned paired BAM (mates side by side), or the two FASTQ files of the pairs."
    chunks: "How many chunks to make; fewer are made of fewer pairs."
    container: "Image with Python 3."
  }

  input {
    Array[File]+ reads
    Int chunks
    String container
  }

  command <<<
    set -euo pipefail
    python3 -c 'import pysam' 2>/dev/null \
      || python3 -m pip install --quiet --root-user-action=ignore pysam==0.24.1
    python3 - ~{chunks} ~{sep(" ", squote(reads))} <<'PY'
    import gzip
    import sys
    import pysam

    chunks, paths = int(sys.argv[1]), sys.argv[2:]
    if chunks < 1:
        sys.exit(f"chunks is {chunks}: ask for at least 1")


    def mates_of_bam(path):
        pysam.set_verbosity(0)  # an unaligned BAM has no index and no reference sequences
        with pysam.AlignmentFile(path, check_sq=False) as bam:
            for read in bam:
                if read.is_secondary or read.is_supplementary:
                    continue
                if not read.is_paired:
                    sys.exit(f"{path}: read {read.query_name} is not paired")
                sequence, quality = read.get_forward_sequence(), read.get_forward_qualities()
                yield read.query_name, sequence, pysam.qualities_to_qualitystring(quality)


    def pairs_of_bam(path):
        mates = mates_of_bam(path)
        for first in mates:
            second = next(mates, None)
            if second is None or second[0] != first[0]:
                sys.exit(f"{path}: read {first[0]} is not followed by its mate: sort by name")
            yield first, second


    def pairs_of_fastq(path1, path2):
        with pysam.FastxFile(path1) as one, pysam.FastxFile(path2) as two:
            for first in one:
                second = next(two, None)
                name = first.name.removesuffix("/1")
                if second is None or second.name.removesuffix("/2") != name:
                    sys.exit(f"{path2}: the mate of read {name} is not where it should be")
                yield (name, first.sequence, first.quality), (name, second.sequence, second.quality)
            if next(two, None) is not None:
                sys.exit(f"{path2} has more reads than {path1}")


    if len(paths) == 1 and paths[0].endswith(".bam"):
        pairs = pairs_of_bam(paths[0])
    elif len(paths) == 2:
        pairs = pairs_of_fastq(*paths)
    else:
        sys.exit(f"reads are {paths}: give one unaligned paired .bam, or two FASTQ files")

    outs, total = {}, 0
    for number, pair in enumerate(pairs):
        index = number % chunks
        if index not in outs:
            outs[index] = gzip.open(f"chunk-{index:04d}.fastq.gz", "wt", compresslevel=1)
        for name, sequence, quality in pair:
            outs[index].write(f"@{name}\n{sequence}\n+\n{quality}\n")
            total += 1
    for out in outs.values():
        out.close()
    if not total:
        sys.exit(f"no read pair in {paths}")
    print(total)
    PY
  >>>

  output {
    Array[File]+ chunk_reads = glob("chunk-*.fastq.gz")
    Int reads_total = read_int(stdout())
  }

  runtime {
    container: container
    cpu: 1
    memory: "2 GiB"
    maxRetries: 1
  }
}

task align_chunk {
  meta {
    description: "Aligns one chunk of read pairs with minimap2's short-read preset and sorts it."
  }

  parameter_meta {
    sample: "Name of the sample, for the read group."
    reads: "Interleaved FASTQ of read pairs."
    reference: "FASTA of the reference; its first sequence is used."
    container: "Image with Python 3."
  }

  input {
    String sample
    File reads
    File reference
    String container
  }

  String bam_name = basename(reads, ".fastq.gz") + ".bam"

  command <<<
    set -euo pipefail
    python3 -c 'import mappy, pysam' 2>/dev/null \
      || python3 -m pip install --quiet --root-user-action=ignore mappy==2.31 pysam==0.24.1
    python3 - '~{sample}' '~{reads}' '~{reference}' '~{bam_name}' <<'PY'
    import sys
    import mappy
    import pysam

    sample, reads_path, reference_path, bam_path = sys.argv[1:]
    PAIRED, PROPER, UNALIGNED, MATE_UNALIGNED = 0x1, 0x2, 0x4, 0x8
    REVERSE, MATE_REVERSE, FIRST, SECOND = 0x10, 0x20, 0x40, 0x80
    SOFT_CLIP = 4

    with pysam.FastxFile(reference_path) as fasta:
        record = next(iter(fasta), None)
    if record is None:
        sys.exit(f"{reference_path} holds no sequence")
    aligner = mappy.Aligner(seq=record.sequence, preset="sr")
    header = pysam.AlignmentHeader.from_dict({
        "HD": {"VN": "1.6"},
        "SQ": [{"SN": record.name, "LN": len(record.sequence)}],
        "RG": [{"ID": sample, "SM": sample}],
        "PG": [{"ID": "minimap2", "PN": "minimap2", "VN": mappy.__version__}],
    })


    def best_hits(first, second):
        hits = {}
        for hit in aligner.map(first.sequence, second.sequence):
            if hit.is_primary:
                hits.setdefault(hit.read_num, hit)
        return hits.get(1), hits.get(2)


    def aligned(mate, hit, other, flag):
        """One BAM record: a mate that does not align is placed beside the one that does."""
        segment = pysam.AlignedSegment(header)
        segment.query_name = mate.name
        segment.set_tag("RG", sample)
        sequence, quality = mate.sequence, mate.quality
        place = hit or other
        flag |= PAIRED | (0 if hit else UNALIGNED) | (0 if other else MATE_UNALIGNED)
        if hit and other and hit.strand != other.strand:
            flag |= PROPER
        flag |= MATE_REVERSE if other and other.strand < 0 else 0
        if hit:
            left, right = hit.q_st, len(sequence) - hit.q_en
            # mappy turns a second mate round before it aligns it, and counts q_st on that
            if (hit.strand < 0) != (hit.read_num == 2):
                left, right = right, left
            if hit.strand < 0:
                flag |= REVERSE
                sequence, quality = mappy.revcomp(sequence), quality[::-1]
            cigar = [(SOFT_CLIP, left)] if left else []
            cigar += [(op, length) for length, op in hit.cigar]
            segment.cigartuples = cigar + ([(SOFT_CLIP, right)] if right else [])
            segment.mapping_quality = hit.mapq
        if place:
            segment.reference_id = segment.next_reference_id = 0
            segment.reference_start = place.r_st
            segment.next_reference_start = (other or place).r_st
        segment.flag = flag
        segment.query_sequence = sequence
        segment.query_qualities = pysam.qualitystring_to_array(quality)
        return segment


    with pysam.FastxFile(reads_path, persist=True) as fastq, \
            pysam.AlignmentFile("unsorted.bam", "wb", header=header) as bam:
        for first in fastq:
            second = next(fastq)
            one, two = best_hits(first, second)
            bam.write(aligned(first, one, two, FIRST))
            bam.write(aligned(second, two, one, SECOND))
    pysam.sort("-o", bam_path, "unsorted.bam")
    PY
  >>>

  output {
    File bam = bam_name
  }

  runtime {
    container: container
    cpu: 1
    memory: "2 GiB"
    maxRetries: 1
  }
}

task merge_alignments {
  meta {
    description: "Merges the chunks' sorted alignments into one and indexes it."
  }

  parameter_meta {
    sample: "Name of the sample: names the file."
    chunk_bams: "Sorted BAM files of the chunks."
    container: "Image with Python 3."
  }

  input {
    String sample
    Array[File]+ chunk_bams
    String container
  }

  command <<<
    set -euo pipefail
    python3 -c 'import pysam' 2>/dev/null \
      || python3 -m pip install --quiet --root-user-action=ignore pysam==0.24.1
    python3 - '~{sample}.bam' ~{sep(" ", squote(chunk_bams))} <<'PY'
    import sys
    import pysam

    merged, chunks = sys.argv[1], sys.argv[2:]
    pysam.merge("-f", "-c", "-p", merged, *chunks)
    pysam.index(merged)
    with pysam.AlignmentFile(merged) as bam:
        print(bam.mapped)
    PY
  >>>

  output {
    File bam = "~{sample}.bam"
    File bai = "~{sample}.bam.bai"
    Int reads_aligned = read_int(stdout())
  }

  runtime {
    container: container
    cpu: 1
    memory: "2 GiB"
    maxRetries: 1
  }
}
