//! Tables and translation: every field accounted for, nothing lost silently, the way back exact.

use dialbridge::mapping::table::Tables;

#[test]
fn embedded_tables_have_no_mistakes() {
    let tables = Tables::embedded().unwrap_or_else(|problems| {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        panic!("{}", lines.join("\n"))
    });
    assert_eq!(tables.iter().count(), 6);
}
