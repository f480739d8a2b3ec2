"""Every node type of libpg_query that is no statement, and what it means for looking through a statement."""

from interlock.connectors.postgres.verbs.rules import Part, words

_PLAIN = """
A_ArrayExpr A_Indices BoolExpr BooleanTest CaseWhen CoalesceExpr CollateClause CTECycleClause CTESearchClause
GroupingFunc GroupingSet IndexElem InferClause JsonAggConstructor JsonArgument JsonBehavior
JsonIsPredicate JsonKeyValue JsonOutput JsonReturning JsonTableColumn JsonTablePathSpec JsonValueExpr List
MergeWhenClause MinMaxExpr MultiAssignRef NamedArgExpr NullTest OnConflictClause RangeFunction RangeSubselect RangeTableFunc
RangeTableFuncCol ResTarget ReturningClause RowExpr TypeCast WindowDef WithClause XmlExpr XmlSerialize ColumnDef
"""

_NAMES = """
A_Expr A_Indirection CaseExpr ColumnRef CommonTableExpr CurrentOfExpr FuncCall IntoClause JoinExpr JsonArrayAgg
JsonArrayConstructor JsonArrayQueryConstructor JsonFuncExpr JsonObjectAgg JsonObjectConstructor JsonParseExpr JsonScalarExpr
JsonSerializeExpr JsonTable LockingClause MergeSupportFunc RangeTableSample RangeVar SortBy SubLink TypeName
"""

_LEAF = """
A_Const A_Star Alias BitString Boolean Float Integer JsonFormat ParamRef RoleSpec SQLValueFunction SetToDefault String
ReturningOption
"""

_DEFINITION = """
ATAlterConstraint AccessPriv AlterTableCmd Constraint CreateOpClassItem DefElem FunctionParameter
ObjectWithArgs PartitionBoundSpec PartitionCmd PartitionElem PartitionRangeDatum PartitionSpec PublicationObjSpec
PublicationTable StatsElem TableLikeClause TriggerTransition VacuumRelation
"""

_ANALYSED = """
Aggref AlternativeSubPlan ArrayCoerceExpr ArrayExpr CallContext CaseTestExpr CoerceToDomain CoerceToDomainValue CoerceViaIO
CollateExpr ConvertRowtypeExpr FieldSelect FieldStore FromExpr FuncExpr InferenceElem InlineCodeBlock
JsonConstructorExpr JsonExpr MergeAction OnConflictExpr OpExpr Param Query RTEPermissionInfo RangeTblEntry RangeTblFunction
RangeTblRef RelabelType ReturningExpr RowCompareExpr RowMarkClause ScalarArrayOpExpr SortGroupClause SubPlan
SubscriptingRef TableFunc TableSampleClause TargetEntry Var WindowClause WindowFunc WindowFuncRunCondition WithCheckOption
"""

PARTS: dict[str, Part] = {
    name: part
    for part, names in (
        (Part.PLAIN, _PLAIN),
        (Part.NAMES, _NAMES),
        (Part.LEAF, _LEAF),
        (Part.DEFINITION, _DEFINITION),
        (Part.ANALYSED, _ANALYSED),
    )
    for name in words(names)
}

SYNTAX_CALLS: dict[str, str] = {
    "JsonArrayAgg": "json_arrayagg",
    "JsonArrayConstructor": "json_array",
    "JsonArrayQueryConstructor": "json_array",
    "JsonObjectAgg": "json_objectagg",
    "JsonObjectConstructor": "json_object",
    "JsonParseExpr": "json",
    "JsonScalarExpr": "json_scalar",
    "JsonSerializeExpr": "json_serialize",
    "JsonTable": "json_table",
    "MergeSupportFunc": "merge_action",
}
"""Syntax of newer servers that an older one takes for a call of a function, which somebody may have created there."""

JSON_FUNCTIONS = {
    "JSON_EXISTS_OP": "json_exists",
    "JSON_QUERY_OP": "json_query",
    "JSON_VALUE_OP": "json_value",
}
"""The same for `JsonFuncExpr`, by its `op`."""
