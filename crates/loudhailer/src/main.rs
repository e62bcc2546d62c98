//! The binary.

fn main() -> std::process::ExitCode {
    loudhailer::main()
}
