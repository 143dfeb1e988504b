//! `hot-paths PATH MESSAGES [PREPARED]`: takes messages through a path, with as much prepared as for PREPARED of them, for
//! whoever looks at the program while it runs.

use std::process::ExitCode;

use handfast_benches::Path;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = |text: &String| text.parse::<u64>().ok();
    let path = args.first().and_then(|name| Path::find(name));
    let Some((path, messages)) = path.zip(args.get(1).and_then(number)) else {
        let names = Path::ALL.map(Path::name).join(", ");
        eprintln!("usage: hot-paths PATH MESSAGES [PREPARED]; PATH: {names}");
        return ExitCode::from(2);
    };
    let prepared = args.get(2).and_then(number).unwrap_or(messages);
    path.prepare(prepared)(messages);
    ExitCode::SUCCESS
}
