"""The conformance kit: its cases as people write them, and what holds the kit itself.

recognizing, identity, order, fold   cases by hand, with the facts that a person expects
moves, hostile                       cases by the table of states, by the corpus of bodies
expectation                          the full expectation of a case, by the oracle
written                              writes `docs/reference/conformance/*.jsonl`
oracle_program, command_line_program answer cases, as any program may
"""
