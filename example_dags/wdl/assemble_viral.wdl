version 1.1

import "tasks/alignment.wdl" as alignment
import "tasks/consensus.wdl" as consensus

workflow assemble_viral {
  meta {
    description: "Assembles a viral genome against a reference: aligns paired reads in chunks, piles them up, calls the differences and writes the majority consensus."
  }

  parameter_meta {
    sample: "Name of the sample: names the files and the consensus sequence."
    reads: "Either one unaligned paired BAM, or the two FASTQ files of the pairs (plain or gzip)."
    reference: "FASTA of the reference; its first sequence is used."
    chunks: "How many parts the reads are aligned in, each a task of its own."
    min_depth: "The consensus is N where fewer bases than this cover the reference."
    min_base_quality: "Bases of a lower Phred quality do not count."
    container: "Image with Python 3; mappy and pysam are installed in it when they are not there, for which it needs pip and a C compiler."
  }

  input {
    String sample
    Array[File]+ reads
    File reference
    Int chunks = 4
    Int min_depth = 5
    Int min_base_quality = 13
    String container = "python:3.12-bookworm"
  }

  call alignment.split_reads {
    input:
      reads = reads,
      chunks = chunks,
      container = container,
  }

  scatter (chunk in split_reads.chunk_reads) {
    call alignment.align_chunk {
      input:
        sample = sample,
        reads = chunk,
        reference = reference,
        container = container,
    }
  }

  call alignment.merge_alignments {
    input:
      sample = sample,
      chunk_bams = align_chunk.bam,
      container = container,
  }

  call consensus.pile_up {
    input:
      sample = sample,
      bam = merge_alignments.bam,
      bai = merge_alignments.bai,
      reference = reference,
      min_base_quality = min_base_quality,
      container = container,
  }

  call consensus.call_consensus {
    input:
      sample = sample,
      depth_table = pile_up.depth_table,
      min_depth = min_depth,
      container = container,
  }

  call consensus.report_assembly {
    input:
      sample = sample,
      depth_table = pile_up.depth_table,
      variants_vcf = call_consensus.variants_vcf,
      consensus_fasta = call_consensus.consensus_fasta,
      reads_total = split_reads.reads_total,
      reads_aligned = merge_alignments.reads_aligned,
      min_depth = min_depth,
      container = container,
  }

  output {
    File consensus_fasta = call_consensus.consensus_fasta
    File variants_vcf = call_consensus.variants_vcf
    File aligned_bam = merge_alignments.bam
    File aligned_bai = merge_alignments.bai
    File depth_table = pile_up.depth_table
    File report_json = report_assembly.report_json
    Int reads_total = split_reads.reads_total
    Int reads_aligned = merge_alignments.reads_aligned
    Float mean_depth = report_assembly.mean_depth
    Float covered_fraction = report_assembly.covered_fraction
    Int substitutions = report_assembly.substitutions
    Int indels = report_assembly.indels
  }
}
