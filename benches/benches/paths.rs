//! The time of each path, a message: `cargo bench -p handfast-benches`.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use handfast_benches::Path;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const MESSAGES: u64 = 1_024;

fn paths(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("paths");
    group.throughput(Throughput::Elements(MESSAGES));
    for path in Path::ALL {
        group.bench_function(path.name(), |bencher| {
            bencher.iter_batched(|| path.prepare(MESSAGES), |mut run| run(MESSAGES), BatchSize::LargeInput);
        });
    }
}

criterion_group!(benches, paths);
criterion_main!(benches);
