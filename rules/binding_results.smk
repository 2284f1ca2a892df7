# Table 3 and its pictures: what the scenes look like, who binds, and how binding fails.


rule table3:
    input:
        predictions=lambda wildcards: files_of(TARGETS.sources("binding")),
        paper="config/paper/table3.csv",
    output:
        csv=report(f"{RESULTS}/tables/table3.csv", caption="../workflow/report/table3.rst", category="Tables", labels={"table": "table3"}),
        rest=table_files("table3"),
    log:
        f"{RESULTS}/logs/tables/table3.log",
    benchmark:
        f"{RESULTS}/benchmarks/tables/table3.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=more_memory(4000),
        runtime=more_minutes(10),
    params:
        sources=lambda wildcards: TARGETS.sources("binding"),
        wanted=lambda wildcards: TARGETS.requested("binding"),
        absent=lambda wildcards: TARGETS.missing_notes("binding"),
    message:
        "Table 3: the twenty attribute-binding tasks"
    script:
        "../workflow/scripts/table3.py"


rule table3_lewis:
    input:
        predictions=lambda wildcards: files_of(TARGETS.sources("lewis")),
        paper="config/paper/table3.csv",
    output:
        csv=report(f"{RESULTS}/tables/table3-lewis.csv", caption="../workflow/report/table3-lewis.rst", category="Tables", labels={"table": "table3-lewis"}),
        rest=table_files("table3-lewis"),
    log:
        f"{RESULTS}/logs/tables/table3-lewis.log",
    benchmark:
        f"{RESULTS}/benchmarks/tables/table3-lewis.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=more_memory(4000),
        runtime=more_minutes(10),
    params:
        sources=lambda wildcards: TARGETS.sources("lewis"),
        wanted=lambda wildcards: TARGETS.requested("lewis"),
        absent=lambda wildcards: TARGETS.missing_notes("lewis"),
    message:
        "Table 3 on Lewis et al.'s images"
    script:
        "../workflow/scripts/table3_lewis.py"


rule controlled:
    input:
        predictions=lambda wildcards: files_of(TARGETS.sources("binding")),
    output:
        csv=report(f"{RESULTS}/tables/controlled.csv", caption="../workflow/report/controlled.rst", category="Tables", labels={"table": "controlled"}),
        rest=table_files("controlled"),
        svg=report(
            f"{RESULTS}/figures/controlled.svg",
            caption="../workflow/report/controlled-figure.rst",
            category="Attribute binding",
            labels={"figure": "seen and held-out"},
        ),
        png=f"{RESULTS}/figures/controlled.png",
    log:
        f"{RESULTS}/logs/figures/controlled.log",
    benchmark:
        f"{RESULTS}/benchmarks/figures/controlled.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=more_memory(4000),
        runtime=more_minutes(10),
    params:
        sources=lambda wildcards: TARGETS.sources("binding"),
        wanted=lambda wildcards: TARGETS.requested("binding"),
        absent=lambda wildcards: TARGETS.missing_notes("binding"),
    message:
        "The controlled comparison of mini models on seen and held-out combinations"
    script:
        "../workflow/scripts/controlled.py"


rule scene_sheet:
    input:
        f"{RESULTS}/data/{SCENES}/images.parquet",
    output:
        svg=report(f"{RESULTS}/figures/scenes.svg", caption="../workflow/report/scenes.rst", category="Attribute binding", labels={"figure": "scenes"}),
        png=f"{RESULTS}/figures/scenes.png",
    log:
        f"{RESULTS}/logs/figures/scenes.log",
    benchmark:
        f"{RESULTS}/benchmarks/figures/scenes.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=more_memory(4000),
        runtime=more_minutes(10),
    params:
        first=18,
    message:
        "Contact sheet of the scenes"
    script:
        "../workflow/scripts/scenes.py"


rule binding_figure:
    input:
        f"{RESULTS}/tables/table3.csv",
    output:
        svg=report(f"{RESULTS}/figures/binding.svg", caption="../workflow/report/binding.rst", category="Attribute binding", labels={"figure": "Table 3"}),
        png=f"{RESULTS}/figures/binding.png",
    log:
        f"{RESULTS}/logs/figures/binding.log",
    benchmark:
        f"{RESULTS}/benchmarks/figures/binding.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=more_memory(4000),
        runtime=more_minutes(10),
    message:
        "Table 3 as a picture"
    script:
        "../workflow/scripts/binding_figure.py"


rule breakdown:
    input:
        predictions=lambda wildcards: files_of(TARGETS.sources("binding")),
        decisions=f"{RESULTS}/data/{SCENES}/items.parquet",
        prompts=f"{RESULTS}/data/{SCENES}/prompts.json",
        scenes=f"{RESULTS}/data/{SCENES}/images.parquet",
    output:
        shapes=f"{RESULTS}/figures/breakdown-shapes.csv",
        larger=f"{RESULTS}/figures/breakdown-larger.csv",
        svg=report(f"{RESULTS}/figures/breakdown.svg", caption="../workflow/report/breakdown.rst", category="Attribute binding", labels={"figure": "breakdown"}),
        png=f"{RESULTS}/figures/breakdown.png",
    log:
        f"{RESULTS}/logs/figures/breakdown.log",
    benchmark:
        f"{RESULTS}/benchmarks/figures/breakdown.tsv"
    conda:
        "../envs/analysis.yaml"
    resources:
        mem_mb=more_memory(4000),
        runtime=more_minutes(10),
    params:
        sources=lambda wildcards: TARGETS.sources("binding"),
    message:
        "How binding fails"
    script:
        "../workflow/scripts/breakdown.py"
