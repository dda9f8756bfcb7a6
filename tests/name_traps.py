"""Traps for SQL that trusts a `search_path`: everything of `pg_catalog`, again, in a schema.

Every function, operator, type, table and view there gets a namesake with the same
arguments, which writes a line to the server's log when it runs, whatever becomes of the
transaction. They belong to a role that may create in that schema and nothing else.
"""

from __future__ import annotations

from typing import Final

from tests.postgres_server import Server

SPRUNG: Final = "TRAP SPRUNG"
TRAPPER: Final = "trapper"

_PSEUDO: Final = (
    "'internal', 'cstring', 'trigger', 'event_trigger', 'language_handler', 'fdw_handler', "
    "'index_am_handler', 'table_am_handler', 'tsm_handler', 'unknown', 'pg_ddl_command'"
)
_SPRING: Final = f"""
CREATE FUNCTION {{schema}}.spring(what text) RETURNS boolean LANGUAGE plpgsql
SET search_path = pg_catalog AS $$
BEGIN RAISE WARNING '{SPRUNG}: %', what; RETURN true; END $$
"""
_FUNCTIONS: Final = f"""
DO $make$ DECLARE f record; BEGIN
FOR f IN SELECT p.oid, quote_ident(proname) AS name, pg_get_function_arguments(p.oid) AS arguments,
        pg_get_function_result(p.oid) AS result FROM pg_proc p
    LEFT JOIN pg_aggregate a ON a.aggfnoid = p.oid
    WHERE pronamespace = 'pg_catalog'::regnamespace AND prokind <> 'p'
    AND coalesce(aggkind, 'n') = 'n' AND p.oid <> 'count()'::regprocedure AND NOT EXISTS (
        SELECT FROM unnest(coalesce(proallargtypes, proargtypes::oid[]) || prorettype) AS t (oid)
        WHERE t.oid = ANY(ARRAY[{_PSEUDO}]::regtype[]))
LOOP BEGIN
    EXECUTE format($f$CREATE FUNCTION {{schema}}.%s(%s) RETURNS %s LANGUAGE plpgsql
        SET search_path = pg_catalog AS
        $b$ BEGIN RAISE WARNING '{SPRUNG}: function %s'; RAISE EXCEPTION 'trapped'; END $b$$f$,
        f.name, f.arguments, f.result, f.name);
    EXCEPTION WHEN OTHERS THEN NULL; END;
END LOOP; END $make$
"""
_COUNT: Final = f"""
CREATE FUNCTION {{schema}}.counted(bigint) RETURNS bigint LANGUAGE plpgsql AS
$$ BEGIN RAISE WARNING '{SPRUNG}: function count'; RETURN $1; END $$;
CREATE AGGREGATE {{schema}}.count(*) (SFUNC = {{schema}}.counted, STYPE = bigint, INITCOND = 0)
"""
_OPERATORS: Final = f"""
DO $make$ DECLARE o record; BEGIN
FOR o IN SELECT oid, oprname AS name, oprleft::regtype::text AS one, oprright::regtype::text AS two,
        oprresult::regtype::text AS result FROM pg_operator
    WHERE oprnamespace = 'pg_catalog'::regnamespace AND oprkind = 'b' AND oprcode <> 0
LOOP BEGIN
    EXECUTE format($f$CREATE FUNCTION {{schema}}.operator_%s(%s, %s) RETURNS %s LANGUAGE plpgsql
        SET search_path = pg_catalog AS
        $b$ BEGIN RAISE WARNING '{SPRUNG}: operator %s'; RAISE EXCEPTION 'trapped'; END $b$$f$,
        o.oid, o.one, o.two, o.result, replace(o.name, '%', '%%'));
    EXECUTE format('CREATE OPERATOR {{schema}}.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = '
        '{{schema}}.operator_%s)', o.name, o.one, o.two, o.oid);
    EXCEPTION WHEN OTHERS THEN NULL; END;
END LOOP; END $make$
"""
TYPES: Final = """
DO $make$ DECLARE t record; BEGIN
FOR t IN SELECT quote_ident(typname) AS name FROM pg_type
    WHERE typnamespace = 'pg_catalog'::regnamespace AND typtype = 'b' AND typelem = 0
LOOP BEGIN
    EXECUTE format('CREATE DOMAIN {schema}.%s AS pg_catalog.%s CHECK ({spring}(%L))',
        t.name, t.name, 'type ' || t.name);
    EXCEPTION WHEN OTHERS THEN NULL; END;
END LOOP; END $make$
"""
RELATIONS: Final = """
DO $make$ DECLARE r record; BEGIN
FOR r IN SELECT quote_ident(relname) AS name FROM pg_class
    WHERE relnamespace = 'pg_catalog'::regnamespace AND relkind IN ('r', 'v')
LOOP BEGIN
    EXECUTE format('CREATE {temporary} VIEW {schema}.%s AS SELECT * FROM pg_catalog.%s '
        'WHERE {spring}(%L)', r.name, r.name, 'relation ' || r.name);
    EXCEPTION WHEN OTHERS THEN NULL; END;
END LOOP; END $make$
"""
_LEAST: Final = {"pg_proc": 2000, "pg_operator": 600, "pg_type": 100, "pg_class": 100}


def lay_traps(server: Server, database: str, schema: str) -> None:
    """Make a schema full of traps, which come before `pg_catalog` in every session to come."""
    with server.connect(database) as superuser:
        superuser.execute("SET search_path = pg_catalog")
        superuser.execute(
            f"DO $$ BEGIN CREATE ROLE {TRAPPER} LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; "
            f"END $$"
        )
        superuser.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        superuser.execute(f"GRANT CREATE, USAGE ON SCHEMA {schema} TO {TRAPPER}")
        superuser.execute(f"GRANT USAGE ON SCHEMA {schema} TO PUBLIC")
    with server.connect(database, TRAPPER) as trapper:
        trapper.execute("SET search_path = pg_catalog")
        trapper.execute("SET check_function_bodies = off")
        for part in (_SPRING, _FUNCTIONS, _COUNT, _OPERATORS, TYPES, RELATIONS):
            named = part.replace("{schema}", schema).replace("{spring}", f"{schema}.spring")
            trapper.execute(named.replace("{temporary}", ""))
        for catalog, least in _LEAST.items():
            prefix = {"pg_proc": "pro", "pg_operator": "opr", "pg_type": "typ", "pg_class": "rel"}
            ((laid,),) = trapper.execute(
                f"SELECT count(*) FROM {catalog} WHERE {prefix[catalog]}namespace = "
                f"'{schema}'::regnamespace"
            ).fetchall()
            assert laid >= least, f"only {laid} traps in {catalog}"
    with server.connect(database) as superuser:
        superuser.execute(f"ALTER DATABASE {database} SET search_path = {schema}, pg_catalog")
