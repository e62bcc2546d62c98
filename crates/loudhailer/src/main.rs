//! The binary.

/// Most of what one thread allocates here another frees, which glibc's allocator is slow at (docs/adr/0009-allocator.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    loudhailer::main()
}
