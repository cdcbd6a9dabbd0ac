# A room is a folder of src/ with one job. Rooms live on floors; a room may use only rooms of
# lower floors. The rule is enforced twice: here for link dependencies, and by
# cmake/check_includes.cmake for every #include.
#
#   tw_room(NAME model FLOOR 3 USES base json DEPS fmt)
#
# Sources are the folder's *.cc; *_test.cc become the test program <name>_test, *_fuzz.cc become
# one fuzz target each. A room without sources is an interface library.
set(TW_ROOMS "" CACHE INTERNAL "Rooms with floors, as name=floor.")

function(tw_room)
  cmake_parse_arguments(ROOM "TEST_ONLY" "NAME;FLOOR" "USES;DEPS;TEST_USES;TEST_DEPS" ${ARGN})
  set(folder ${CMAKE_CURRENT_SOURCE_DIR}/${ROOM_NAME})
  file(GLOB_RECURSE all CONFIGURE_DEPENDS ${folder}/*.cc)
  set(sources ${all})
  list(FILTER sources EXCLUDE REGEX "(_test|_fuzz|_main)\\.cc$")
  set(tests ${all})
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  set(fuzzers ${all})
  list(FILTER fuzzers INCLUDE REGEX "_fuzz\\.cc$")

  foreach(used ${ROOM_USES})
    if(NOT DEFINED TW_FLOOR_${used})
      message(FATAL_ERROR "Room '${ROOM_NAME}' uses '${used}', which is not declared before it.")
    endif()
    if(NOT TW_FLOOR_${used} LESS ROOM_FLOOR)
      message(FATAL_ERROR "Room '${ROOM_NAME}' (floor ${ROOM_FLOOR}) may not use '${used}' "
                          "(floor ${TW_FLOOR_${used}}): includes go down.")
    endif()
  endforeach()
  set(TW_FLOOR_${ROOM_NAME} ${ROOM_FLOOR} PARENT_SCOPE)
  set(TW_ROOMS "${TW_ROOMS};${ROOM_NAME}=${ROOM_FLOOR}" CACHE INTERNAL "")

  list(TRANSFORM ROOM_USES PREPEND tw_ OUTPUT_VARIABLE rooms)
  list(TRANSFORM ROOM_DEPS PREPEND dep:: OUTPUT_VARIABLE deps)
  if(sources)
    add_library(tw_${ROOM_NAME} STATIC ${sources})
    set(scope PUBLIC)
  else()
    add_library(tw_${ROOM_NAME} INTERFACE)
    set(scope INTERFACE)
  endif()
  target_include_directories(tw_${ROOM_NAME} ${scope} ${CMAKE_CURRENT_SOURCE_DIR})
  target_link_libraries(tw_${ROOM_NAME} ${scope} ${rooms} ${deps})

  if(tests AND TIDEWIRE_TESTS)
    list(TRANSFORM ROOM_TEST_USES PREPEND tw_ OUTPUT_VARIABLE test_rooms)
    list(TRANSFORM ROOM_TEST_DEPS PREPEND dep:: OUTPUT_VARIABLE test_deps)
    add_executable(${ROOM_NAME}_test ${tests})
    target_link_libraries(${ROOM_NAME}_test tw_${ROOM_NAME} ${test_rooms} ${test_deps}
                          GTest::gmock GTest::gtest_main)
    target_compile_definitions(${ROOM_NAME}_test PRIVATE
                               TW_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
    add_test(NAME ${ROOM_NAME} COMMAND ${ROOM_NAME}_test)
    set_tests_properties(${ROOM_NAME} PROPERTIES TIMEOUT 600)
  endif()
  if(TIDEWIRE_FUZZ)
    foreach(fuzzer ${fuzzers})
      get_filename_component(target ${fuzzer} NAME_WE)
      add_executable(${target} ${fuzzer})
      target_link_libraries(${target} tw_${ROOM_NAME})
      target_compile_options(${target} PRIVATE -fsanitize=fuzzer)
      target_link_options(${target} PRIVATE -fsanitize=fuzzer)
      add_dependencies(fuzzers ${target})
    endforeach()
  endif()
endfunction()

# Verifies every #include of every room on each build; see cmake/check_includes.cmake.
function(tw_check_includes)
  file(GLOB_RECURSE files CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.h
       ${CMAKE_CURRENT_SOURCE_DIR}/*.cc)
  set(stamp ${CMAKE_BINARY_DIR}/includes.stamp)
  add_custom_command(
    OUTPUT ${stamp}
    COMMAND ${CMAKE_COMMAND} "-DROOMS=${TW_ROOMS}" -DROOT=${CMAKE_CURRENT_SOURCE_DIR}
            -P ${CMAKE_SOURCE_DIR}/cmake/check_includes.cmake
    COMMAND ${CMAKE_COMMAND} -E touch ${stamp}
    DEPENDS ${files} ${CMAKE_SOURCE_DIR}/cmake/check_includes.cmake
    COMMENT "Checking that includes go down"
    VERBATIM)
  add_custom_target(check_includes ALL DEPENDS ${stamp})
endfunction()
