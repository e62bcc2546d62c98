//! Finding mistakes without evaluating: the parser alone, and a walk over what it found. Safe in any process: the source
//! is bounded, the parser's depth is, and nothing is computed (the engine's compiler would already fold constants).

use base::nearest;
use minijinja::machinery::{Span, ast, parse, parse_expr};
use minijinja::syntax::SyntaxConfig;

use crate::engine::{bounded, failure};
use crate::error::{Failure, FailureKind};
use crate::vocabulary::{FILTERS, FUNCTIONS, TESTS};

/// How a source is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syntax {
    /// A text with `{{ … }}` and `{% … %}`.
    Template,
    /// A bare expression.
    Expression,
}

/// Stack for one check. `a|b|b|b…` of 64 KiB nests 32,000 deep, in the walk and when the tree is dropped, and a stack that
/// overflows ends the process. Only what is used is ever touched.
const STACK: usize = 256 * 1024 * 1024;

/// Checks the syntax of `source` and that it uses no filter, test or function that does not exist.
pub fn check(syntax: Syntax, source: &str) -> Result<(), Failure> {
    bounded(source)?;
    std::thread::scope(|scope| {
        std::thread::Builder::new()
            .name("template-check".to_owned())
            .stack_size(STACK)
            .spawn_scoped(scope, || parse_and_walk(syntax, source))
            .ok()
            .and_then(|thread| thread.join().ok())
            .unwrap_or_else(|| Err(Failure::new(FailureKind::Syntax, "it could not be checked just now; try again")))
    })
}

fn parse_and_walk(syntax: Syntax, source: &str) -> Result<(), Failure> {
    let mut walk = Walk { own: Vec::new(), found: None };
    match syntax {
        Syntax::Template => {
            walk.statement(&parse(source, "template", SyntaxConfig::default()).map_err(|error| failure(&error))?);
        }
        Syntax::Expression => walk.expression(&parse_expr(source).map_err(|error| failure(&error))?),
    }
    walk.found.map_or(Ok(()), Err)
}

/// Looks for words that do not exist; keeps the first.
struct Walk<'a> {
    /// Names that the template gives meaning to itself.
    own: Vec<&'a str>,
    found: Option<Failure>,
}

impl<'a> Walk<'a> {
    fn word(&mut self, sort: &str, word: &str, known: &'static [&'static str], span: Span) {
        if self.found.is_some() || known.contains(&word) {
            return;
        }
        let word: String = word.chars().take(60).collect();
        self.found = Some(Failure {
            kind: FailureKind::Syntax,
            line: Some(u32::from(span.start_line)),
            message: format!("there is no {sort} {word:?}; did you mean {:?}?", nearest(&word, known.iter().copied())),
        });
    }

    fn statements(&mut self, statements: &[ast::Stmt<'a>]) {
        for statement in statements {
            self.statement(statement);
        }
    }

    fn statement(&mut self, statement: &ast::Stmt<'a>) {
        match statement {
            ast::Stmt::Template(template) => self.statements(&template.children),
            ast::Stmt::EmitExpr(emit) => self.expression(&emit.expr),
            ast::Stmt::EmitRaw(_) => {}
            ast::Stmt::ForLoop(each) => {
                self.target(&each.target);
                self.expression(&each.iter);
                self.maybe(each.filter_expr.as_ref());
                self.own.push("loop");
                self.statements(&each.body);
                self.statements(&each.else_body);
            }
            ast::Stmt::IfCond(condition) => {
                self.expression(&condition.expr);
                self.statements(&condition.true_body);
                self.statements(&condition.false_body);
            }
            ast::Stmt::WithBlock(with) => {
                for (target, value) in &with.assignments {
                    self.target(target);
                    self.expression(value);
                }
                self.statements(&with.body);
            }
            ast::Stmt::Set(set) => {
                self.target(&set.target);
                self.expression(&set.expr);
            }
            ast::Stmt::SetBlock(set) => {
                self.target(&set.target);
                self.maybe(set.filter.as_ref());
                self.statements(&set.body);
            }
            ast::Stmt::AutoEscape(block) => {
                self.expression(&block.enabled);
                self.statements(&block.body);
            }
            ast::Stmt::FilterBlock(block) => {
                self.expression(&block.filter);
                self.statements(&block.body);
            }
            ast::Stmt::Do(block) => self.call(&block.call),
        }
    }

    /// Names that an assignment gives meaning to.
    fn target(&mut self, target: &ast::Expr<'a>) {
        match target {
            ast::Expr::Var(name) => self.own.push(name.id),
            ast::Expr::List(list) => list.items.iter().for_each(|item| self.target(item)),
            ast::Expr::Tuple(list) => list.items.iter().for_each(|item| self.target(item)),
            _ => {}
        }
    }

    fn maybe(&mut self, expression: Option<&ast::Expr<'a>>) {
        if let Some(expression) = expression {
            self.expression(expression);
        }
    }

    fn expressions(&mut self, expressions: &[ast::Expr<'a>]) {
        for expression in expressions {
            self.expression(expression);
        }
    }

    fn arguments(&mut self, arguments: &[ast::CallArg<'a>]) {
        for argument in arguments {
            match argument {
                ast::CallArg::Pos(expression)
                | ast::CallArg::Kwarg(_, expression)
                | ast::CallArg::PosSplat(expression)
                | ast::CallArg::KwargSplat(expression) => self.expression(expression),
            }
        }
    }

    fn call(&mut self, call: &ast::Spanned<ast::Call<'a>>) {
        match &call.expr {
            ast::Expr::Var(name) if self.own.contains(&name.id) => {}
            ast::Expr::Var(name) => self.word("function", name.id, FUNCTIONS, name.span()),
            other => self.expression(other),
        }
        self.arguments(&call.args);
    }

    fn expression(&mut self, expression: &ast::Expr<'a>) {
        match expression {
            ast::Expr::Var(_) | ast::Expr::Const(_) => {}
            ast::Expr::Slice(slice) => {
                self.expression(&slice.expr);
                for bound in [&slice.start, &slice.stop, &slice.step] {
                    self.maybe(bound.as_ref());
                }
            }
            ast::Expr::UnaryOp(operation) => self.expression(&operation.expr),
            ast::Expr::BinOp(operation) => {
                self.expression(&operation.left);
                self.expression(&operation.right);
            }
            ast::Expr::Compare(compare) => {
                self.expression(&compare.expr);
                compare.ops.iter().for_each(|operation| self.expression(&operation.expr));
            }
            ast::Expr::IfExpr(condition) => {
                self.expression(&condition.test_expr);
                self.expression(&condition.true_expr);
                self.maybe(condition.false_expr.as_ref());
            }
            ast::Expr::Filter(filter) => {
                self.word("filter", filter.name, FILTERS, filter.span());
                self.maybe(filter.expr.as_ref());
                self.arguments(&filter.args);
            }
            ast::Expr::Test(test) => {
                self.word("test", test.name, TESTS, test.span());
                self.expression(&test.expr);
                self.arguments(&test.args);
            }
            ast::Expr::GetAttr(attribute) => self.expression(&attribute.expr),
            ast::Expr::GetItem(item) => {
                self.expression(&item.expr);
                self.expression(&item.subscript_expr);
            }
            ast::Expr::Call(call) => self.call(call),
            ast::Expr::List(list) => self.expressions(&list.items),
            ast::Expr::Tuple(list) => self.expressions(&list.items),
            ast::Expr::Map(map) => {
                self.expressions(&map.keys);
                self.expressions(&map.values);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(syntax: Syntax, source: &str) -> String {
        check(syntax, source).unwrap_err().to_string()
    }

    #[test]
    fn what_is_right_passes() {
        for source in [
            "plain",
            "{{ event.title | truncate(100) }} ({{ event.fields.host | default('?') }})",
            "{% for a in payload.alerts if a.status is eq 'firing' %}{{ loop.index }} {{ a.labels | items | join(', ') }}{% endfor %}",
            "{% for x in a recursive %}{{ loop(x) }}{% endfor %}{% set x = range(3) %}{{ x[0] }}",
        ] {
            assert_eq!(check(Syntax::Template, source), Ok(()), "{source}");
        }
        assert_eq!(check(Syntax::Expression, "event.status == 'firing' and not event.key is none"), Ok(()));
    }

    #[test]
    fn mistakes_name_their_line_and_the_remedy() {
        assert!(wrong(Syntax::Template, "one\n{{ two").starts_with("line 2:"));
        assert_eq!(
            wrong(Syntax::Template, "one\n\n{{ event.title | uper }}"),
            r#"line 3: there is no filter "uper"; did you mean "upper"?"#
        );
        assert!(wrong(Syntax::Expression, "event.x is definde").contains("defined"));
        assert!(wrong(Syntax::Expression, "namespace(x=1)").contains("no function"));
        assert!(wrong(Syntax::Expression, "event.status = 'firing'").contains("syntax error"));
        assert!(wrong(Syntax::Template, &"x".repeat(crate::SOURCE_LIMIT + 1)).contains("64 KiB"));
    }

    /// X-22's neighbour for templates: checking computes nothing, so a bomb that compiling would set off is harmless.
    #[test]
    fn checking_a_bomb_does_not_set_it_off() {
        let bomb = (0..3_000).map(|_| "('a' * 99999999)").collect::<Vec<_>>().join(" ~ ");
        let _ = check(Syntax::Expression, &bomb);
        let deep = format!("{}1{}", "(".repeat(30_000), ")".repeat(30_000));
        assert!(check(Syntax::Expression, &deep).is_err());
        for chain in ["|b", ".b", "~b", "[b]", "(b)"] {
            let long = format!("a{}", chain.repeat((crate::SOURCE_LIMIT - 1) / chain.len()));
            let _ = check(Syntax::Expression, &long);
        }
    }
}
